"""What Ropewalk costs, beside SQLAlchemy's own ORM and beside the bare driver.

``python -m bench`` prints one table per database. Only ratios of one run mean anything:
the three contenders take turns, so that a busy machine slows all of them alike.
"""
