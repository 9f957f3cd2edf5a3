"""Everything that speaks gRPC: with the program, with the plugins."""
