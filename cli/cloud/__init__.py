"""The cloud as it is, not as a state file says: what belongs to an environment, and how it goes.

    services.find      everything of one environment, or of all
    services.delete    one of those away; gone is success
    clearing.clear     all of them away, in order and again, until nothing is left or time is up

One module for each service. None touches what does not carry the environment's tag, path, cluster
or name: `ownership` decides that alone.
"""
