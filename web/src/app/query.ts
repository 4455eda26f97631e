/** What the server knows, kept by TanStack Query: typed by the route, refreshed where it can change. */
import { QueryCache, QueryClient, type UseQueryOptions, useQuery } from "@tanstack/react-query";
import { ApiError, call, type Options } from "../api/client";
import type { Routes } from "../api/schema.gen";
import { navigate } from "./router";

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: goToLogin }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500),
    },
  },
});

/** Whoever is not known here is asked for a key, and comes back to where they were. */
export function goToLogin(error: unknown): void {
  if (!(error instanceof ApiError) || error.status !== 401 || location.pathname === "/login")
    return;
  navigate(`/login?next=${encodeURIComponent(location.pathname + location.search)}`, {
    replace: true,
  });
}

type Reading = Extract<keyof Routes, `GET ${string}`>;
type Extra<R extends Reading> = Omit<UseQueryOptions<Routes[R]["answer"]>, "queryKey" | "queryFn">;

/** Read a route. */
export function useGet<R extends Reading>(route: R, options: Options<R>, extra: Extra<R> = {}) {
  return useQuery<Routes[R]["answer"]>({
    queryKey: [route, options],
    queryFn: ({ signal }) => call(route, { ...options, signal }),
    ...extra,
  });
}
