"""One job in a process of its own: the worker (child), the supervisor (parent), the tasks, the store.

``process`` starts a ``worker`` and listens to it, ``spares`` starts some ahead of their jobs; ``tasks`` holds
what a worker does; ``definition`` and ``descriptions`` ask for a network and for what an engine can do;
``store`` and ``trained`` know a run's files, and ``restored`` makes a Keras model of them.
"""
