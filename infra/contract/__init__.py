"""The facts that the program and the command line share: names, settings, outputs, executors, sizes.

The program creates by them, the command line deploys, finds and deletes by them. It is the one package of
`infra` that `cli` may import, so it is made of the standard library alone: Pulumi's SDKs take a second to load.
"""
