"""What the tests of the integrations share: an engine on a file, a jenny, and stock-taking at the end."""

from shop import Base, Customer
from sqlalchemy import create_engine, select
from sqlalchemy.pool import QueuePool

from ropewalk import SessionJenny, sessionmaker

CUSTOMER = Customer.__table__


class Shop:
    def __init__(self, folder):
        self.url = f"sqlite:///{folder / 'shop.db'}"
        self.engine = create_engine(self.url, poolclass=QueuePool, pool_size=20, max_overflow=0, pool_timeout=5)
        Base.metadata.create_all(self.engine)
        self.jenny = SessionJenny(sessionmaker(self.engine))
        self.sessions = []

    def save(self, key):
        """Put a customer in, by the jenny's session, as a handler does."""
        session = self.jenny.session
        session.add(Customer(id=key, name="ed"))
        session.flush()
        self.sessions.append(session)
        return session

    def stored(self):
        with self.engine.connect() as connection:
            return connection.scalars(select(CUSTOMER.c.id).order_by(CUSTOMER.c.id)).all()

    def check_nothing_is_open(self):
        assert self.jenny.ropes() == []
        assert self.engine.pool.checkedout() == 0
