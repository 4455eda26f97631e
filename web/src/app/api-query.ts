/** Queries of the API, cached by TanStack Query and typed by the route. */
import { QueryCache, QueryClient, type UseQueryOptions, useQuery } from "@tanstack/react-query";
import { ApiError, type CallOptions, callApi } from "../api/client";
import type { Routes } from "../api/schema.gen";
import { loginPath, navigate } from "./router";

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: redirectToLogin }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500),
    },
  },
});

/** Go to the log-in page after an answer of 401. The log-in page returns to the present address. */
export function redirectToLogin(error: unknown): void {
  if (!(error instanceof ApiError) || error.status !== 401 || location.pathname === "/login")
    return;
  navigate(loginPath(), { replace: true });
}

type GetRoute = Extract<keyof Routes, `GET ${string}`>;
type ExtraOptions<R extends GetRoute> = Omit<
  UseQueryOptions<Routes[R]["answer"]>,
  "queryKey" | "queryFn"
>;

/** Query a GET route. */
export function useGet<R extends GetRoute>(
  route: R,
  options: CallOptions<R>,
  extra: ExtraOptions<R> = {},
) {
  return useQuery<Routes[R]["answer"]>({
    queryKey: [route, options],
    queryFn: ({ signal }) => callApi(route, { ...options, signal }),
    ...extra,
  });
}
