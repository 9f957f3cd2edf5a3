// Package registry has of the storage of an API server only what cert-manager takes of it: a message (sandbox/setup/go_tools.py).
package registry

// OptimisticLockErrorMsg is how the API server refuses to change an object that another has changed meanwhile.
const OptimisticLockErrorMsg = "the object has been modified; please apply your changes to the latest version and try again"
