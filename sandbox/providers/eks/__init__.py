"""pulumi-eks's components for the sandbox: they register the children that the real ones do.

`provider.py` dispatches; `cluster.py`, `node_group.py` and `addon.py` are one component each, written
with Pulumi's SDK and served by its provider host. What was measured of the real provider, version 4.4.0,
is followed child by child; what is not done is refused by name before anything is registered.

The children are the SDK's untyped `CustomResource` (`resources.py`): pulumi_aws takes seconds to import.
"""
