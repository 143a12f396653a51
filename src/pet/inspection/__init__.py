"""Looks into files that strangers send: what audio they hold, what pictures they are.

`pool.WorkerInspector` is what the service uses. Everything that touches the bytes (`audio`, `tags`, `images`) runs in
worker processes behind the limits of `worker`, because a parser of hostile bytes may hang, swallow all memory or crash.
"""
