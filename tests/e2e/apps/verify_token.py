"""Checks a token with a key set as an app would: PyJWT decides, by the key that the token names.

verify_token.py TOKEN AUDIENCE < KEY_SET, prints the algorithm and the claims.
"""

import json
import sys

import jwt

token, audience = sys.argv[1:]
keys = jwt.PyJWKSet.from_dict(json.load(sys.stdin))
header = jwt.get_unverified_header(token)
key = keys[header["kid"]]
claims = jwt.decode(
    token,
    key,
    algorithms=[key.algorithm_name],
    audience=audience,
    options={"require": ["exp", "iat", "iss", "sub"]},
)
print(json.dumps({"alg": header["alg"], "claims": claims}))
