"""Where the UI and the API read logs of tasks, with the setting `taskLogs` elasticsearch (`logging_config_class`).

From Elasticsearch, by Airflow's provider; from S3, as without the setting, what Elasticsearch does not have: a try that
runs or has just ended, whose last lines are on their way, one of before the setting, and all while Elasticsearch is away.
Tasks upload their logs to S3 in any case. Only the api-server loads this module.
"""

import copy
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow.config_templates import airflow_local_settings as airflows_own
from airflow.providers.elasticsearch.log.es_task_handler import ElasticsearchTaskHandler
from airflow.utils.log.file_task_handler import FileTaskHandler
from elasticsearch.exceptions import NotFoundError

ON_THEIR_WAY: Final = timedelta(seconds=30)
"""After a try's end its last lines may still be with the shipper. S3 has them: it gets a log before the try's end is recorded."""

Page = tuple[Iterable[Any], Any]


class TaskLogHandler(ElasticsearchTaskHandler):  # type: ignore[misc]  # no Airflow where types are checked
    """Reads one try; what reading goes on with says where it began."""

    def _read(self, ti: Any, try_number: int, metadata: Any = None) -> Page:
        known = dict(metadata or {})
        if "log_pos" in known or ("offset" not in known and not has_arrived(ti, try_number)):
            return self._from_storage(ti, try_number, metadata)
        begins = "offset" not in known
        try:
            lines, found = super()._read(ti, try_number, metadata)
        except NotFoundError:
            lines, found = [], {"end_of_log": True}
        if begins and not lines:
            return self._from_storage(ti, try_number, None)
        return lines, found

    def _from_storage(self, ti: Any, try_number: int, metadata: Any) -> Page:
        page: Page = FileTaskHandler._read(self, ti, try_number, metadata)
        return page


def has_arrived(ti: Any, try_number: int) -> bool:
    """Whether all lines of a try should be in Elasticsearch."""
    if ti.try_number != try_number:
        return True
    return ti.end_date is not None and ti.end_date + ON_THEIR_WAY < datetime.now(UTC)


def _config() -> dict[str, Any]:
    config = copy.deepcopy(airflows_own.DEFAULT_LOGGING_CONFIG)
    setting = airflows_own.conf.get
    config["handlers"]["task"] = {
        "class": f"{__name__}.{TaskLogHandler.__name__}",
        "formatter": "airflow",
        "filters": ["mask_secrets_core"],
        "base_log_folder": airflows_own.BASE_LOG_FOLDER,
        # Nobody writes one: a try ends where no more lines are.
        "end_of_log_mark": setting("elasticsearch", "end_of_log_mark"),
        "write_stdout": False,
        "json_format": True,
        "json_fields": setting("elasticsearch", "json_fields"),
        "host": setting("elasticsearch", "host"),
        "frontend": setting("elasticsearch", "frontend"),
        "host_field": setting("elasticsearch", "host_field"),
        "offset_field": setting("elasticsearch", "offset_field"),
    }
    return config


LOGGING_CONFIG: Final = _config()

REMOTE_TASK_LOG = airflows_own.REMOTE_TASK_LOG
DEFAULT_REMOTE_CONN_ID = airflows_own.DEFAULT_REMOTE_CONN_ID
