"""Scopes for web frameworks, job queues, scripts and tests, one thin file each; import the one that is needed.

Each gives a request, a job, a script or a test a scope of its own. None is imported by the package itself, so a
framework is needed only where its file is.
"""
