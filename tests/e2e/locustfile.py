"""Load for `locust`: streams chats and measures them as a client sees them.

    locust -f tests/e2e/locustfile.py --headless -u 16 -r 16 -t 60s --host http://127.0.0.1:8080
"""
import json
import random
import time

from locust import HttpUser, constant, task


class Chatter(HttpUser):
    wait_time = constant(0)

    @task
    def chat(self):
        body = {"messages": [{"role": "system", "content": "You answer briefly. " * 20},
                             {"role": "user", "content": f"Tell me about {random.random()}."}],
                "max_tokens": 32, "stream": True, "stream_options": {"include_usage": True}}
        begin = time.monotonic()
        first = None
        usage = None
        with self.client.post("/v1/chat/completions", json=body, stream=True,
                              catch_response=True) as answer:
            if answer.status_code == 429:
                return answer.success()  # a verdict, not a failure
            for line in answer.iter_lines():
                if not line.startswith(b"data: {"):
                    continue
                event = json.loads(line[6:])
                if first is None and event["choices"] and event["choices"][0]["delta"].get("content"):
                    first = time.monotonic()
                usage = event.get("usage") or usage
            if usage is None:
                return answer.failure("the stream ended early")
            answer.success()
        self.environment.events.request.fire(
            request_type="SSE", name="first token", response_length=usage["completion_tokens"],
            response_time=((first or time.monotonic()) - begin) * 1000, exception=None)
