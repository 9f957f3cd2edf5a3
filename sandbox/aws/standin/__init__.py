"""MiniStack's ASGI application, with what the kit needs and MiniStack lacks.

Runs with MiniStack's own Python (`python -m sandbox.aws.standin`), so these modules import
only the standard library, MiniStack's requirements and `sandbox.instance`. Flow of a request:
`gateway` lets in only signed AWS requests, MiniStack authenticates and authorizes them, and its
handler for the service answers, or one of ours in `services` does. `emulator` is
MiniStack by its public names, `internals` what is used beyond them.
"""
