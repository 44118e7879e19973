"""Requests as scopes, with the real frameworks and real clients."""

import threading
import time
from typing import Annotated, Any

import pytest
from integrations_app import Shop
from shop import Customer
from sqlalchemy import text

from ropewalk.integrations import asgi, wsgi
from ropewalk.integrations import fastapi as for_fastapi
from ropewalk.integrations import flask as for_flask
from ropewalk.integrations import starlette as for_starlette

httpx = pytest.importorskip("httpx")


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.check_nothing_is_open()
    made.engine.dispose()


class TestWsgi:
    def serve(self, shop, application):
        app = wsgi.RopeMiddleware(application, shop.jenny, commit=True)
        return httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://shop")

    def test_a_request_is_a_scope(self, shop):
        def application(environ, start_response):
            shop.save(int(environ["PATH_INFO"][1:]))
            assert shop.jenny.session is shop.sessions[-1]
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"done"]

        with self.serve(shop, application) as client:
            assert client.get("/1").text == "done"
            client.get("/2")
        assert shop.stored() == [1, 2]
        assert shop.sessions[0] is not shop.sessions[1]

    def test_it_lasts_until_a_streamed_body_is_sent(self, shop):
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            shop.save(1)

            def body():
                for number in shop.jenny.session.scalars(text("SELECT 1 UNION SELECT 2")):
                    yield str(number).encode()
                assert shop.jenny.session is shop.sessions[0]

            return body()

        with self.serve(shop, application) as client:
            assert client.get("/").text == "12"
        assert shop.stored() == [1]

    def test_an_error_commits_nothing(self, shop):
        def application(environ, start_response):
            shop.save(1)
            raise LookupError

        with self.serve(shop, application) as client, pytest.raises(LookupError):
            client.get("/")
        assert shop.stored() == []


class TestFlask:
    @pytest.fixture
    def app(self, shop):
        flask = pytest.importorskip("flask")
        app = flask.Flask(__name__)
        for_flask.init_app(app, shop.jenny, commit=True)

        @app.get("/save/<int:key>")
        def save(key):
            shop.save(key)
            assert shop.jenny.session is shop.sessions[-1]
            return "saved"

        @app.get("/fail/<int:key>")
        def fail(key):
            shop.save(key)
            raise LookupError

        @app.get("/stream")
        def stream():
            session = shop.jenny.session

            def rows():
                assert shop.jenny.session is session
                for number in session.scalars(text("SELECT 1 UNION SELECT 2")):
                    yield str(number)

            return rows()

        return app

    def test_requests(self, shop, app):
        client = app.test_client()
        assert client.get("/save/1").text == "saved"
        assert client.get("/save/2").text == "saved"
        with client.get("/fail/3") as response:
            assert response.status_code == 500
        assert client.get("/stream").text == "12"
        assert shop.stored() == [1, 2]
        assert len(set(shop.sessions)) == 3


class TestAsgi:
    @pytest.fixture
    def app(self, shop):
        starlette = pytest.importorskip("starlette.applications")
        from starlette.background import BackgroundTask
        from starlette.responses import PlainTextResponse, StreamingResponse
        from starlette.routing import Route

        async def save(request):
            shop.save(int(request.path_params["key"]))
            return PlainTextResponse("saved")

        def save_in_a_thread(request):
            shop.save(int(request.path_params["key"]))
            return PlainTextResponse(threading.current_thread().name)

        async def fail(request):
            shop.save(int(request.path_params["key"]))
            raise LookupError

        async def stream(request):
            session = shop.jenny.session

            def rows():
                for number in session.scalars(text("SELECT 1 UNION SELECT 2")):
                    assert shop.jenny.session is session
                    yield str(number)

            return StreamingResponse(rows())

        def later(key):
            shop.save(key)

        async def background(request):
            shop.save(int(request.path_params["key"]))
            return PlainTextResponse("done", background=BackgroundTask(later, int(request.path_params["key"]) + 1))

        routes = [
            Route("/save/{key}", save),
            Route("/thread/{key}", save_in_a_thread),
            Route("/fail/{key}", fail),
            Route("/stream", stream),
            Route("/background/{key}", background),
        ]
        app = starlette.Starlette(routes=routes)
        for_starlette.init_app(app, shop.jenny, commit=True)
        return app

    def test_requests(self, shop, app):
        from starlette.testclient import TestClient

        assert for_starlette.RopeMiddleware is asgi.RopeMiddleware
        with TestClient(app, raise_server_exceptions=False) as client:
            assert client.get("/save/1").text == "saved"
            assert client.get("/thread/2").text != threading.current_thread().name
            assert client.get("/fail/3").status_code == 500
            assert client.get("/stream").text == "12"
            assert client.get("/background/4").text == "done"
        assert shop.stored() == [1, 2, 4, 5]
        assert len(set(shop.sessions)) == 4  # the background task works in its request's
        assert app.state.jenny is shop.jenny

    def test_a_real_server_and_many_clients(self, shop, app):
        uvicorn = pytest.importorskip("uvicorn")
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            deadline = time.monotonic() + 10
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                for key in range(1, 11):
                    assert client.get(f"/{'thread' if key % 2 else 'save'}/{key}").status_code == 200
        finally:
            server.should_exit = True
            thread.join()
        assert shop.stored() == list(range(1, 11))


class TestFastApi:
    @pytest.fixture
    def app(self, shop):
        fastapi = pytest.importorskip("fastapi")
        from fastapi.responses import StreamingResponse

        session_of = for_fastapi.session_dependency(shop.jenny, commit=True)
        Session = Annotated[Any, fastapi.Depends(session_of)]
        app = fastapi.FastAPI()

        @app.get("/thread/{key}")
        def in_a_thread(key: int, session: Session):
            assert shop.save(key) is session
            return key

        @app.get("/task/{key}")
        async def in_the_task(key: int, session: Session):
            assert shop.save(key) is session
            return key

        @app.get("/fail/{key}")
        def fail(key: int, session: Session):
            session.add(Customer(id=key, name="ed"))
            session.flush()
            raise LookupError

        @app.get("/stream")
        def stream(session: Session):
            def rows():
                for number in session.scalars(text("SELECT 1 UNION SELECT 2")):
                    yield str(number)

            return StreamingResponse(rows())

        @app.get("/background/{key}")
        def background(key: int, session: Session, tasks: fastapi.BackgroundTasks):
            tasks.add_task(lambda: shop.save(key))
            return key

        return app

    def test_requests(self, shop, app):
        from fastapi.testclient import TestClient

        with TestClient(app, raise_server_exceptions=False) as client:
            assert client.get("/thread/1").json() == 1
            assert client.get("/task/2").json() == 2
            assert client.get("/fail/3").status_code == 500
            assert client.get("/stream").text == "12"
            assert client.get("/background/4").json() == 4
        assert shop.stored() == [1, 2, 4]
