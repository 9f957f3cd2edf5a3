"""Everything that speaks gRPC: with the program, with the plugins."""

import os

# grpc's C core writes to standard error that a connection was closed, which is how plugins
# end. Read when grpc is imported; plugins and programs inherit it.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
