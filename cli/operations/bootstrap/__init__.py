"""What an AWS account, or this machine, needs before the first `up` of an environment.

`prepare` is the order in which things are looked at and made, `remove` the way back. What each of them
is about has a module of its own: the tools, the account, the region, the quotas, the bucket of the
stacks' state, the key of their secrets, the stack itself. Everything is looked at before anything is
made, and made only where it is missing: a run that was cut short is finished by the next.
"""
