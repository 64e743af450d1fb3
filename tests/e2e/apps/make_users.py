"""Makes users with the programs that other apps keep theirs with. Usage: make_users.py FOLDER PASSWORD.

Werkzeug, Django and passlib hash the password; the files are as their owners would hand them over.
"""

import csv
import json
import os
import sqlite3
import sys
from pathlib import Path

folder, password = Path(sys.argv[1]), sys.argv[2]


def flask_table():
    """The database of a Flask app, with Werkzeug's hashes."""
    from werkzeug.security import generate_password_hash

    database = sqlite3.connect(folder / "app.db")
    database.execute(
        "CREATE TABLE user (id INTEGER PRIMARY KEY, username TEXT UNIQUE, email TEXT,"
        " password_hash TEXT, is_active BOOLEAN)"
    )
    database.execute("CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT)")
    for name, method in [
        ("flask-scrypt", "scrypt"),
        ("flask-pbkdf2", "pbkdf2:sha256:1000"),
        ("flask-sha512", "pbkdf2:sha512:1000"),
    ]:
        row = (name, f"{name}@example.com", generate_password_hash(password, method))
        database.execute(
            "INSERT INTO user (username, email, password_hash, is_active) VALUES (?, ?, ?, 1)", row
        )
    gone = ("flask-gone", "", generate_password_hash(password, "scrypt"))
    database.execute(
        "INSERT INTO user (username, email, password_hash, is_active) VALUES (?, ?, ?, 0)", gone
    )
    database.commit()


def django_dump():
    """What `manage.py dumpdata auth.user auth.group` writes."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    hashers = ["PBKDF2", "PBKDF2SHA1", "Scrypt", "MD5"]
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in hashers],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import Group, User

    editors = Group.objects.create(name="editors")
    User.objects.create_user("django", "django@example.com", password, first_name="Ada")
    for algorithm in ["pbkdf2_sha1", "scrypt", "md5"]:
        user = User(username=f"django-{algorithm}", password=make_password(password, None, algorithm))
        user.save()
    unusable = User.objects.create_user("django-unusable")
    unusable.groups.add(editors)
    User.objects.get(username="django").groups.add(editors)
    for name, models in [("all", []), ("users", ["auth.user", "auth.group"])]:
        call_command("dumpdata", *models, output=str(folder / f"django-{name}.json"), indent=2)


def passlib_tables():
    """A table as `psql` or a spreadsheet writes it, and objects a line, with the hashes of passlib."""
    from passlib.hash import bcrypt, pbkdf2_sha256, sha512_crypt

    with open(folder / "passlib.csv", "w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Login", "Password Hash", "Full Name", "Roles", "Active"])
        hashed = pbkdf2_sha256.using(rounds=1000).hash(password)
        table.writerow(["passlib-pbkdf2", hashed, 'Ada "the first", Countess', "ops;dev", "t"])
        table.writerow(["passlib-bcrypt", bcrypt.using(rounds=5).hash(password), "", "", "t"])
    with open(folder / "passlib.ndjson", "w", encoding="utf-8") as file:
        hashed = sha512_crypt.using(rounds=1000).hash(password)
        user = {"username": "passlib-crypt", "password": hashed, "groups": ["ops"], "active": True}
        file.write(json.dumps(user) + "\n")


os.umask(0o077)
flask_table()
django_dump()
passlib_tables()
