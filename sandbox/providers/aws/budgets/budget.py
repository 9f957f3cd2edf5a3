"""aws:budgets/budget:Budget, of costs, with notifications by e-mail."""

from collections.abc import Collection, Mapping, Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import from_list, to_list
from sandbox.wire.values import Properties

_EMAIL = "EMAIL"
_NOTIFICATION = MappingProxyType(
    {
        "comparisonOperator": "ComparisonOperator",
        "notificationType": "NotificationType",
        "threshold": "Threshold",
        "thresholdType": "ThresholdType",
    }
)


class Budget(Resource):
    """CreateBudget, UpdateBudget, {Create,Delete}Notification, DeleteBudget. Id: account and name."""

    TYPE = "aws:budgets/budget:Budget"
    SERVICE = "budgets"
    REPLACE_ON = frozenset({"name"})
    IN_PLACE = frozenset(
        {"budgetType", "costFilters", "limitAmount", "limitUnit", "notifications", "timeUnit"}
    )
    COMPUTED = ("accountId", "arn")
    NAME = "name"
    LONGEST_NAME = 100

    def create(self, inputs: Properties) -> str:
        self.client.create_budget(
            AccountId=self.aws.account_id,
            Budget=self._budget(inputs),
            NotificationsWithSubscribers=[
                {"Notification": self._notification(one), "Subscribers": self._subscribers(one)}
                for one in inputs.get("notifications") or ()
            ],
            ResourceTags=to_list(inputs["tags"]),
        )
        return f"{self.aws.account_id}:{inputs['name']}"

    @staticmethod
    def _budget(inputs: Properties) -> dict[str, Any]:
        return {
            "BudgetName": inputs["name"],
            "BudgetType": inputs["budgetType"],
            "TimeUnit": inputs["timeUnit"],
            "BudgetLimit": {"Amount": inputs["limitAmount"], "Unit": inputs["limitUnit"]},
            "CostFilters": {
                each["name"]: list(each["values"]) for each in inputs.get("costFilters") or ()
            },
        }

    @staticmethod
    def _notification(one: Mapping[str, Any]) -> dict[str, Any]:
        return {name: one[key] for key, name in _NOTIFICATION.items()}

    @staticmethod
    def _subscribers(one: Mapping[str, Any]) -> list[dict[str, str]]:
        addresses = sorted(one.get("subscriberEmailAddresses") or ())
        return [{"SubscriptionType": _EMAIL, "Address": address} for address in addresses]

    def read(self, known: Known) -> Properties | None:
        account, _, name = known.id.partition(":")
        named = {"AccountId": account, "BudgetName": name}
        item = self.client.describe_budget(**named)["Budget"]
        limit = item["BudgetLimit"]
        return {
            "accountId": account,
            "arn": self._arn(known.id),
            "name": name,
            "budgetType": item["BudgetType"],
            "timeUnit": item["TimeUnit"],
            "limitAmount": limit["Amount"],
            "limitUnit": limit["Unit"],
            "costFilters": [
                {"name": key, "values": values}
                for key, values in (item.get("CostFilters") or {}).items()
            ],
            "notifications": self._notifications(named),
            "tags": from_list(
                self.client.list_tags_for_resource(ResourceARN=self._arn(known.id)).get(
                    "ResourceTags"
                )
            ),
        }

    def _notifications(self, named: Mapping[str, str]) -> list[dict[str, Any]]:
        found = self.client.describe_notifications_for_budget(**named).get("Notifications") or ()
        return [
            {
                **{key: one[name] for key, name in _NOTIFICATION.items()},
                "subscriberEmailAddresses": [
                    subscriber["Address"]
                    for subscriber in self.client.describe_subscribers_for_notification(
                        **named,
                        Notification={name: one[name] for name in _NOTIFICATION.values()},
                    )["Subscribers"]
                ],
            }
            for one in found
        ]

    def _arn(self, resource_id: str) -> str:
        account, _, name = resource_id.partition(":")
        # Budgets are of no region.
        return f"arn:{self.aws.partition}:budgets::{account}:budget/{name}"

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        named = {"AccountId": self.aws.account_id, "BudgetName": inputs["name"]}
        if changes - {"notifications"}:
            self.client.update_budget(AccountId=named["AccountId"], NewBudget=self._budget(inputs))
        if "notifications" in changes:
            for one in self._notifications(named):
                self.client.delete_notification(**named, Notification=self._notification(one))
            for one in inputs.get("notifications") or ():
                self.client.create_notification(
                    **named,
                    Notification=self._notification(one),
                    Subscribers=self._subscribers(one),
                )

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        arn = self._arn(known.id)
        if add:
            self.client.tag_resource(ResourceARN=arn, ResourceTags=to_list(add))
        if remove:
            self.client.untag_resource(ResourceARN=arn, ResourceTagKeys=list(remove))

    def delete(self, known: Known) -> None:
        account, _, name = known.id.partition(":")
        self.client.delete_budget(AccountId=account, BudgetName=name)
