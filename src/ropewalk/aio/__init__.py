"""The async face of the one sync core, by Core's greenlet bridge; programs import it as ``ropewalk.ext.asyncio``."""
