"""Ray for a sweep: started on this machine and closed to all others, or joined.

Whoever reaches Ray may run code in it. Started here, it listens to this machine alone,
and has a token that only the sweep and its workers know. A cluster is joined with the
token that its nodes were started with.
"""

from __future__ import annotations

import logging
import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from iris_core.config import ConfigError

ENVIRONMENT = {  # of Ray and its workers, where it is started on this machine
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # runs without a GPU see none
    "RAY_prestart_worker_first_driver": "0",  # or it waits for ever for a slow one
    "RAY_worker_register_timeout_seconds": "300",  # a busy machine is no failure
    "RAY_enable_metrics_collection": "0",
    "TQDM_DISABLE": "1",
}
STARTED = {  # where it is started here: helpers of a killed sweep end 5 seconds later
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}
JOINED = {  # one try of 15 seconds; Ray's own are 20, each of 35
    "RAY_NUM_REDIS_GET_RETRIES": "1",
    "RAY_py_gcs_connect_timeout_s": "10",
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "5",  # of ray://, which has three tries
    "RAY_BACKEND_LOG_LEVEL": "error",  # the sentence says it
}


@contextmanager
def ray_for(asked: str | None) -> Iterator[Any]:
    """Ray, started on this machine or joined by its address, and left again.

    asked: the address; None: that of RAY_ADDRESS, or Ray is started. ConfigError if it
    is not installed, or not reached.
    """
    address = asked or os.environ.get("RAY_ADDRESS")
    set_environment(joins=address is not None)
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "iris sweep needs Ray: pip install 'iris-core[sweep]'"
        ) from error
    if ray.is_initialized():
        yield ray
        return
    connect(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


def set_environment(joins: bool) -> None:
    """What Ray reads when it is imported, and its processes when they start."""
    for name, value in (ENVIRONMENT | (JOINED if joins else STARTED)).items():
        os.environ.setdefault(name, value)
    os.environ["RAY_AUTH_MODE"] = "token"
    if not joins:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def connect(ray: Any, address: str | None) -> None:
    """Start Ray, or join it; ConfigError if that cannot be."""
    where: dict[str, Any] = {"address": address}
    if address is None:
        where = {"address": "local", "_node_ip_address": "127.0.0.1"}
        where["include_dashboard"] = False
    try:
        with warnings.catch_warnings(action="ignore"):  # of what Ray will do one day
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except ray.exceptions.AuthenticationError as error:
        raise ConfigError(
            f"address={address}: the cluster's token is not here. Set RAY_AUTH_TOKEN,"
            " or put it into ~/.ray/auth_token, as on every node of the cluster."
        ) from error
    except ConnectionError as error:
        raise ConfigError(
            f"address={address}: no Ray answers that this sweep may join"
            f" ({error or 'waited 15 seconds, or the token differs'}). Is it running,"
            " is this one of its nodes, and is RAY_AUTH_TOKEN the same on all of them?"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"Ray at address={address or 'local'}: {error}") from error
