"""moto's S3 and KMS on a free port of the loopback, with what AWS refuses and moto lets pass.

Usage: aws-server.py PORT_FILE. The port is written to the file when requests are answered.

KMS: what may be done to a key in which state (https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html); Decrypt
and ReEncrypt under another key than the one that is named; encryption contexts that differ but read the same when strung
together; an alias that two requests make at once.
S3: objects that are encrypted under a KMS key need that key to be enabled, for reading and for writing.
"""

import functools
import json
import logging
import os
import sys
import threading

from moto.core.exceptions import JsonRESTError
from moto.kms import kms_backends
from moto.kms import utils as kms_utils
from moto.kms.responses import KmsResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response
from werkzeug.serving import make_server

USE = {"Enabled"}
CHANGE = {"Enabled", "Disabled"}
# Of each operation: the parameter that names the key, and the states in which the key may be.
STATES = {
    "encrypt": ("KeyId", USE),
    "generate_data_key": ("KeyId", USE),
    "generate_data_key_without_plaintext": ("KeyId", USE),
    "decrypt": ("KeyId", USE),
    "re_encrypt": ("DestinationKeyId", USE),
    "enable_key_rotation": ("KeyId", USE),
    "enable_key": ("KeyId", CHANGE),
    "disable_key": ("KeyId", CHANGE),
    "schedule_key_deletion": ("KeyId", CHANGE),
    "cancel_key_deletion": ("KeyId", {"PendingDeletion"}),
}
ALIASES = threading.Lock()


class Refused(JsonRESTError):
    code = 400


def fault_of(key, states=USE):
    """The error's name and message for a key in a state that forbids the request."""
    if key.key_state == "PendingDeletion":
        return "KMSInvalidStateException", f"{key.arn} is pending deletion."
    if states is USE:
        return "DisabledException", f"{key.arn} is disabled."
    return "KMSInvalidStateException", f"{key.arn} is not pending deletion."


def key_of(backend, name):
    """The key by id, ARN or alias, or None."""
    try:
        return backend.keys.get(backend.any_id_to_key_id(name)) if name else None
    except AttributeError:
        return None  # an alias that names no key


def in_state(operation, parameter, states):
    @functools.wraps(operation)
    def checked(self):
        key = key_of(self.kms_backend, self._get_param(parameter))
        # A key that is not there is refused by moto itself.
        if key is not None and key.key_state not in states:
            raise Refused(*fault_of(key, states))
        return operation(self)

    return checked


def under_named_key(operation, parameter):
    @functools.wraps(operation)
    def checked(self):
        self._validate_key_id(self._get_param(parameter))
        named = key_of(self.kms_backend, self._get_param(parameter))
        try:
            blob = kms_utils._deserialize_ciphertext_blob(ciphertext_blob=self._get_param("CiphertextBlob"))
        except Exception:
            raise Refused("InvalidCiphertextException", "") from None
        if blob.key_id != named.id:
            raise Refused("IncorrectKeyException", "The key in the request does not identify the key of the ciphertext.")
        return operation(self)

    return checked


def one_at_a_time(operation):
    @functools.wraps(operation)
    def locked(self):
        with ALIASES:
            return operation(self)

    return locked


def needs_enabled(bucket, encryption, name):
    """Thrown: what S3 answers when the key that an object is encrypted under cannot be used."""
    if encryption not in ("aws:kms", "aws:kms:dsse") or not name:
        return
    parts = name.split(":") if name.startswith("arn:") else []
    account, region = (parts[4], parts[3]) if parts else (bucket.account_id, bucket.region_name)
    key = key_of(kms_backends[account][region], name)
    if key is None:
        raise S3ClientError("KMS.NotFoundException", f"{name} is not found.")
    if key.key_state != "Enabled":
        fault, message = fault_of(key)
        raise S3ClientError(f"KMS.{fault}", message)


def storing(operation):
    @functools.wraps(operation)
    def checked(self, bucket_name, *args, **kwargs):
        needs_enabled(self.get_bucket(bucket_name), kwargs.get("encryption"), kwargs.get("kms_key_id"))
        return operation(self, bucket_name, *args, **kwargs)

    return checked


def beginning(operation):
    @functools.wraps(operation)
    def checked(self, bucket_name, *args):
        encryption, name = args[-2:]
        needs_enabled(self.get_bucket(bucket_name), encryption, name)
        return operation(self, bucket_name, *args)

    return checked


def reading(operation):
    @functools.wraps(operation)
    def checked(self):
        key, _ = self._get_key()
        needs_enabled(self.backend.get_bucket(self.bucket_name), key.encryption, key.kms_key_id)
        return operation(self)

    return checked


def replace(owner, name, wrapper, *args):
    setattr(owner, name, wrapper(getattr(owner, name), *args))


for name, (parameter, states) in STATES.items():
    replace(KmsResponse, name, in_state, parameter, states)
replace(KmsResponse, "decrypt", under_named_key, "KeyId")
replace(KmsResponse, "re_encrypt", under_named_key, "SourceKeyId")
replace(KmsResponse, "create_alias", one_at_a_time)
kms_utils._serialize_encryption_context = lambda encryption_context: json.dumps(sorted(encryption_context.items())).encode()
replace(S3Backend, "put_object", storing)
replace(S3Backend, "create_multipart_upload", beginning)
replace(S3Response, "get_object", reading)

if __name__ == "__main__":
    port_file = sys.argv[1]
    # A line for every request is of no use to anybody.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    with open(f"{port_file}.new", "w", encoding="ascii") as file:
        file.write(str(server.server_port))
    os.rename(f"{port_file}.new", port_file)
    server.serve_forever()
