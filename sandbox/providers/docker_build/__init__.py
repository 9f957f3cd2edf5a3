"""The docker-build provider: images built with buildah, pushed to the sandbox's registry.

`provider.py` is the front door; `specification.py` reads the arguments, `context.py` hashes
what goes into a build, `buildah.py` builds and pushes, `registry.py` knows where to,
`machine.py` what of this machine a build may see.
"""
