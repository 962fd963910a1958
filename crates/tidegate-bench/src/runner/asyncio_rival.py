"""What one writes by hand in Python: asyncio, aiohttp, tenacity. INPUT OUTPUT BASE LIMIT, as the Rust rival."""

import asyncio
import json
import sys

import aiohttp
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential


def may_be_repeated(error):
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status >= 500 or error.status == 429
    return isinstance(error, (aiohttp.ClientError, asyncio.TimeoutError))


@retry(
    retry=retry_if_exception(may_be_repeated),
    wait=wait_random_exponential(multiplier=0.1, max=20),
    stop=stop_after_attempt(6),
    reraise=True,
)
async def get(session, url):
    async with session.get(url) as answer:
        answer.raise_for_status()
        return await answer.json()


async def main(input, output, base, limit):
    timeout = aiohttp.ClientTimeout(total=2)
    connector = aiohttp.TCPConnector(limit=2 * limit)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        with open(input) as lines, open(output, "w") as out:

            async def worker():
                for line in lines:
                    record = json.loads(line)
                    record["user"], record["orders"] = await asyncio.gather(
                        get(session, f"{base}/users/{record['id']}"),
                        get(session, f"{base}/orders/{record['id']}"),
                    )
                    out.write(json.dumps(record) + "\n")

            await asyncio.gather(*(worker() for _ in range(limit)))


input, output, base, limit = sys.argv[1:]
asyncio.run(main(input, output, base, int(limit)))
