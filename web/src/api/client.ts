/**
 * Typed calls of the API. The generated route table gives the types, so that a call with a wrong
 * path, query or body does not compile.
 */
import type { Problem, Routes } from "./schema.gen";

type ApiRoute = keyof Routes;
type Input<R extends ApiRoute, P extends "path" | "query" | "body"> = Routes[R][P] extends undefined
  ? { [K in P]?: undefined }
  : { [K in P]: Routes[R][P] };
type OptionalQuery<T> = T extends { query: infer Q }
  ? Partial<Q> extends Q
    ? Omit<T, "query"> & { query?: Q }
    : T
  : T;
export type CallOptions<R extends ApiRoute> = OptionalQuery<
  Input<R, "path"> & Input<R, "query"> & Input<R, "body">
> & {
  signal?: AbortSignal;
};

/**
 * Path prefix of the API. The server writes it into the page, because an operator can change it.
 */
const API_PREFIX =
  document.querySelector('meta[name="aideator-api"]')?.getAttribute("content") ?? "/api/v1";

/** Error answer of the server, with its problem details (RFC 9457). */
export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = "ApiError";
    this.problem = problem;
  }

  get status(): number {
    return this.problem.status;
  }

  /** Return the server's message about one field of the request. */
  fieldError(name: string): string | undefined {
    return this.problem.errors?.find((each) => each.field === name)?.message;
  }
}

/** No answer came from the server. */
export class ServerUnreachable extends Error {
  constructor() {
    super("The server does not answer. Check that `aideator serve` is running.");
    this.name = "Unreachable";
  }
}

/** Convert a thrown value to an `Error`. JavaScript allows any value to be thrown. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Return the URL of a route, for links and event streams. */
export function apiUrl<R extends ApiRoute>(
  route: R,
  path?: Routes[R]["path"],
  query?: Partial<NonNullable<Routes[R]["query"]>>,
): string {
  const template = route.slice(route.indexOf(" ") + 1);
  const values = (path ?? {}) as Record<string, string | number>;
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(values[name])),
  );
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const each of queryValues(value)) search.append(name, String(each));
  }
  const queryString = search.toString();
  return `${API_PREFIX}${filled}${queryString ? `?${queryString}` : ""}`;
}

/** Return the values of one query parameter; an undefined or null parameter has none. */
function queryValues(value: unknown): readonly unknown[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((each) => each !== undefined && each !== null);
}

/**
 * Call a route of the API.
 *
 * @throws ApiError The server answered with an error.
 * @throws ServerUnreachable No answer came.
 */
export async function callApi<R extends ApiRoute>(
  route: R,
  options: CallOptions<R>,
): Promise<Routes[R]["answer"]> {
  const { path, query, body, signal } = options as {
    path?: Routes[R]["path"];
    query?: NonNullable<Routes[R]["query"]>;
    body?: unknown;
    signal?: AbortSignal;
  };
  const response = await fetch(apiUrl(route, path, query), {
    method: route.slice(0, route.indexOf(" ")),
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  }).catch((error: unknown) => {
    throw signal?.aborted ? error : new ServerUnreachable();
  });
  if (!response.ok) throw new ApiError(await readProblem(response));
  if (response.status === 204) return undefined as Routes[R]["answer"];
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return (isJson ? await response.json() : await response.text()) as Routes[R]["answer"];
}

async function readProblem(response: Response): Promise<Problem> {
  const isProblem = response.headers.get("content-type")?.includes("json");
  try {
    if (isProblem) return (await response.json()) as Problem;
  } catch {
    // Broken off, or no JSON after all.
  }
  // A proxy in between answered, not AIdeator's server: what it says is a page of its own.
  const { status, statusText } = response;
  const title = [status, statusText].filter(Boolean).join(" ");
  return {
    type: "about:blank",
    title,
    status,
    detail: `The server, or a proxy in front of it, answered with ${title}.`,
    hint: null,
    errors: null,
  };
}
