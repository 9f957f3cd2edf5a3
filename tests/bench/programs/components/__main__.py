"""As many components as COMPONENTS says, none of which needs a provider."""

import os

import pulumi


class Component(pulumi.ComponentResource):
    """One registration and one set of outputs."""

    def __init__(self, number: int) -> None:
        super().__init__("bench:index:Component", f"component-{number}", {"number": number})
        self.register_outputs({"number": number})


for number in range(int(os.environ["COMPONENTS"])):
    Component(number)
