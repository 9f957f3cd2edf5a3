"""pulumi-eks's components for the sandbox: they register the children that the real ones do.

`provider.py` dispatches; `cluster.py`, `node_group.py` and `addon.py` are one component each; all of them
speak to the engine through `monitor.py` alone. What was measured of the real provider, version 4.4.0, is
followed child by child; what is not done is refused by name (`inputs.py`) before anything is registered.

The components are written against the engine's gRPC interface, not Pulumi's Python SDK: the SDK keeps its
settings for a whole process, but the engine asks for several components at once; and without it the
plugin starts four times as fast.
"""
