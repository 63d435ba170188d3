// Questions to the server, as docs/api.md has them.

/** An answer that is not 2xx, or none: `code` as the API names it, `unreachable` when there was no answer at all. */
export class ApiError extends Error {
  constructor(code, message, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** The JSON at `path` below `base`, with the parameters that are not null. Raises ApiError; an abort passes through. */
export async function getJson(base, path, parameters = {}, signal = undefined) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  let answer;
  try {
    answer = await fetch(url, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("unreachable", "the dashboard does not answer", 0);
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  const said = body?.error ?? {};
  throw new ApiError(said.code ?? "unreadable", said.message ?? `the dashboard answered ${answer.status}`, answer.status);
}
