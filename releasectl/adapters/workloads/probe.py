"""Is it there: one probe of a process by HTTP, of an address by TCP. An empty text means yes, any other why not."""

from __future__ import annotations

import asyncio

import httpx

from releasectl.ports import Address


async def probe_http(client: httpx.AsyncClient, address: Address, path: str, *, within: float) -> str:
    """Ask for ``path``; ready is what answers 2xx in time."""
    try:
        answer = await client.get(f"http://{address.host}:{address.port}{path}", timeout=within)
    except httpx.TimeoutException:
        return f"no answer on {path} within {within:g} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"no answer on {path}: {str(error) or type(error).__name__}"
    return "" if answer.is_success else f"{path} answers {answer.status_code}"


async def probe_tcp(address: Address, *, within: float) -> str:
    """Open a connection and close it again."""
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except (OSError, TimeoutError) as error:
        return f"no connection to {address.host}:{address.port}: {str(error) or type(error).__name__}"
    writer.close()
    return ""
