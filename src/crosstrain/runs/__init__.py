"""One job in a process of its own: the worker (child), the supervisor (parent), the tasks, the store."""
