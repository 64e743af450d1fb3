"""An app that signs people in by Flask-JWT-Extended as its guide shows, under the paths of vestibule.

POST /token hands out whatever token is asked for: expired, for another audience, without a subject.
"""

import sys
from datetime import timedelta

from flask import Flask, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
)
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "a secret of this test, long enough for HS256"
jwt = JWTManager(app)
ENDED = set()


@jwt.token_in_blocklist_loader
def is_ended(_header, claims):
    return claims["jti"] in ENDED


@jwt.token_verification_loader
def may_pass(_header, _claims):
    return request.path != "/members"


@jwt.user_lookup_loader
def user(_header, claims):
    return claims["sub"] if claims["sub"] != "gone" else None


@app.post("/vestibule/login")
def login():
    told = request.get_json()
    if told["username"] != "ada" or told["password"] != "correct horse battery staple":
        return jsonify(msg="Bad username or password"), 401
    access = create_access_token(identity="ada", fresh=True)
    return jsonify(access_token=access, refresh_token=create_refresh_token("ada"))


@app.post("/token")
def token():
    told = request.get_json()
    access = create_access_token(
        identity=told.get("identity", "ada"),
        expires_delta=timedelta(seconds=told.get("seconds", 900)),
        additional_claims=told.get("claims"),
    )
    return jsonify(access_token=access)


def refreshed():
    access = create_access_token(identity=get_jwt_identity(), fresh=False)
    return jsonify(access_token=access)


@app.post("/refresh-by-header")
@jwt_required(refresh=True)
def refresh_by_header():
    return refreshed()


@app.post("/refresh-by-json")
@jwt_required(refresh=True, locations=["json"])
def refresh_by_json():
    return refreshed()


@app.post("/vestibule/logout")
@jwt_required(verify_type=False)
def logout():
    ENDED.add(get_jwt()["jti"])
    return "", 204


@app.get("/required")
@app.get("/members")
@jwt_required()
def required():
    return jsonify(user=get_jwt_identity())


@app.get("/optional")
@jwt_required(optional=True)
def optional():
    return jsonify(user=get_jwt_identity())


@app.get("/fresh")
@jwt_required(fresh=True)
def fresh():
    return jsonify(user=get_jwt_identity())


@app.route("/cookies", methods=["GET", "POST"])
@jwt_required(locations=["cookies"])
def cookies():
    return jsonify(user=get_jwt_identity())


class Silent(WSGIRequestHandler):
    def log(self, *_):
        pass


server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
sys.stdout.close()
server.serve_forever()
