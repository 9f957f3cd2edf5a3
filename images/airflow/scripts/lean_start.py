"""What the start of a task leaves out: work of Airflow's that no task needs, a quarter of its processor time.

Every task's pod is a new process that imports Airflow. `run_task.py` calls `import_airflow` before anything of Airflow is
imported, and `trim_supervisor` after. Nothing that a task can see changes: a module that is postponed here is loaded when
it is used. The image's build runs both, so that a release of Airflow which renames one of these names fails there.
"""

import atexit
import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn
from urllib.parse import urlsplit

NO_DATABASE = "PYTHON_OPERATORS_VIRTUAL_ENV_MODE"
"""With it Airflow sets up no engine for the metadata database, which a task cannot reach, and masks no configuration."""


REMOTE_LOGGING = "AIRFLOW__LOGGING__REMOTE_LOGGING"


class Postponed(ModuleType):
    """A module that is imported when it is used, but for the first uses of some of its attributes.

    `first` has what those give, one value for each use: by the modules of Airflow that ask while they are loaded. Whoever
    asks later, or for anything else, gets the real module's.
    """

    def __init__(self, name: str, **first: list[Any]) -> None:
        super().__init__(name)
        self.__dict__["_first"] = first

    def __getattr__(self, attribute: str) -> Any:
        values = self.__dict__["_first"].get(attribute)
        return values.pop() if values else getattr(self.real(), attribute)

    def real(self) -> ModuleType:
        """The module itself."""
        self.end()
        return importlib.import_module(self.__name__)

    def end(self) -> None:
        """From now on an import means the real module."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


class Accepting:
    """A validator of JSON that accepts all: the image's build has looked at what the installed providers say of themselves."""

    def __init__(self, schema: Any = None) -> None:
        del schema

    def validate(self, instance: Any) -> None:
        """No error."""


class LaterStorage:
    """Where the supervisor uploads a log to, found out when there is a log to upload.

    Its import (boto3, Airflow's hooks) takes a seventh of the time until a task starts. The lines of a log do not pass through
    it, as they do not with Airflow's own for S3.
    """

    processors: tuple[Any, ...] = ()

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.real(), attribute)

    def real(self) -> Any:
        """Airflow's own, or nothing if it cannot be had; from now on Airflow has it, too."""
        from airflow.sdk import log

        log._load_logging_config()
        return log.load_remote_log_handler()


def import_airflow() -> None:
    """Import Airflow without its database, a parser of Python source (libcst) and a validator of JSON (jsonschema)."""

    def parse_module(source: str) -> Any:
        # The function that asks for it finds its other names in the same module, loaded anew.
        real = syntax.real()
        importlib.reload(sys.modules["airflow.sdk.definitions._internal.decorators"])
        return real.parse_module(source)

    syntax = Postponed("libcst", CSTTransformer=[object], parse_module=[parse_module])
    validators = SimpleNamespace(validator_for=lambda schema: Accepting)
    # Both providers' managers, Airflow's own and the SDK's, check what providers say of themselves; the first their forms, too.
    schemas = Postponed("jsonschema", validators=[validators] * 3)
    later = _is_s3()
    # Airflow's logging settings import where logs go to, for those of its commands that know no providers.
    remote = _set(REMOTE_LOGGING, "False") if later else nullcontext()
    with _set(NO_DATABASE), remote, _in_place(syntax), _in_place(schemas):
        from airflow.configuration import conf
        from airflow.sdk.definitions._internal import decorators

        conf.mask_secrets()
    assert decorators.cst is syntax
    if later:
        _postpone_storage()
    _complete_models()


def import_dagbag() -> None:
    """Import what parses DAG files, without a library of calendars that one format of params needs."""
    with _in_place(Postponed("arrow")):
        importlib.import_module("airflow.dag_processing.dagbag")


def storage() -> Any:
    """Airflow's own object for where logs are uploaded to; nothing if there is none."""
    from airflow.sdk.log import load_remote_log_handler

    found = load_remote_log_handler()
    return found.real() if isinstance(found, LaterStorage) else found


def trim_supervisor() -> None:
    """Before the supervisor starts: it looks for less."""
    from airflow.sdk import providers_manager_runtime as runtime
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess

    manager = runtime.ProvidersManagerTaskRuntime
    manager._discover_remote_logging = _of_one_scheme(manager._discover_remote_logging, runtime)
    ActivitySubprocess._upload_logs = _by_nobody(ActivitySubprocess._upload_logs)


def _is_s3() -> bool:
    """Whether logs go to S3 by Airflow's own settings, which a pod has in its environment."""
    environment = os.environ.get
    return (
        environment(REMOTE_LOGGING, "").lower() in ("t", "true", "1")
        and urlsplit(environment("AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER", "")).scheme == "s3"
        and not environment("AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS")
    )


def _postpone_storage() -> None:
    from airflow.sdk import log
    from airflow.sdk.configuration import conf

    connection = conf.get("logging", "remote_log_conn_id", fallback=None)
    log._ActiveLoggingConfig.set(LaterStorage(), connection)


def _complete_models() -> None:
    """What Airflow's setup of the database does for hooks that make a `Connection`: SQLAlchemy needs every model for one."""
    from airflow.models import import_all_models
    from sqlalchemy import event
    from sqlalchemy.orm import Mapper

    event.listen(Mapper, "before_configured", import_all_models, once=True)


def leave() -> NoReturn:
    """End the process without taking Airflow's million objects apart, which is a tenth of a second."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _of_one_scheme(discover: Callable[[Any], None], runtime: ModuleType) -> Callable[[Any], None]:
    """The search for places of remote logs, which imports every provider's, without those of other schemes than ours."""

    @functools.wraps(discover)
    def wrapper(manager: Any) -> None:
        from airflow.sdk.configuration import conf

        ours = urlsplit(conf.get("logging", "remote_base_log_folder", fallback="")).scheme
        check = runtime._correctness_check

        def check_ours(package: str, classpath: str, provider: Any) -> Any:
            entries = provider.data.get("remote-logging") or []
            schemes = {each["scheme"] for each in entries if each["classpath"] == classpath}
            return ours in schemes and check(package, classpath, provider)

        runtime._correctness_check = check_ours
        try:
            discover(manager)
        finally:
            runtime._correctness_check = check

    return wrapper


def _by_nobody(upload: Callable[[Any], None]) -> Callable[[Any], None]:
    """The upload of a log, whose client of AWS does not look for an operator in the stack: reading every frame's source
    takes longer than the upload.
    """

    @functools.wraps(upload)
    def wrapper(supervisor: Any) -> None:
        hooks = sys.modules.get("airflow.providers.amazon.aws.hooks.base_aws")
        if hooks is not None:
            hooks.AwsGenericHook._get_caller = lambda *arguments: "Unknown"
        upload(supervisor)

    return wrapper


@contextmanager
def _set(variable: str, value: str = "1") -> Iterator[None]:
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


@contextmanager
def _in_place(module: Postponed) -> Iterator[None]:
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        module.end()
