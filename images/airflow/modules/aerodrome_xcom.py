"""The XCom backend: small values in Airflow's database, large ones as objects in S3.

It is the common.io provider's backend, and its settings are those of section `common.io`. Two things are
different. The provider sets up its client of S3 for every XCom that is read or deleted, which takes 0.8
seconds; here only one that lies in S3 pays for that. And an object that is gone, by the bucket's lifecycle
rule say, fails the task that asks for it: the provider hands it the object's address as if it were the value.
"""

from typing import Any

from airflow.providers.common.io.xcom.backend import XComObjectStorageBackend
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.configuration import conf


class XComBackend(XComObjectStorageBackend):
    """`core.xcom_backend` of every pod. Nothing is asked of S3 before a value is known to be there."""

    @staticmethod
    def deserialize_value(result: Any) -> Any:
        """The value, wherever it lies. FileNotFoundError if it lay in S3 and does not any more."""
        if not in_storage(result.value):
            return BaseXCom.deserialize_value(result)
        value = XComObjectStorageBackend.deserialize_value(result)
        if isinstance(value, str) and value == result.value:
            raise FileNotFoundError(
                f"The XCom at {value} cannot be read: the object is gone or damaged. "
                "Clear the task that made it, and it is made again."
            )
        return value

    @staticmethod
    def purge(xcom: Any, *args: Any) -> None:
        """Deletes the object, if there is one: before its task runs again."""
        if in_storage(xcom.value):
            XComObjectStorageBackend.purge(xcom, *args)


def in_storage(value: Any) -> bool:
    """Whether what the database holds is the address of an object of ours."""
    folder = conf.get("common.io", "xcom_objectstorage_path", fallback="").rstrip("/")
    return bool(folder) and isinstance(value, str) and value.startswith(f"{folder}/")
