export default {
  reactStrictMode: true,
  // Otherwise Turbopack takes the repository around it for its own, and watches all of that.
  turbopack: { root: import.meta.dirname },
  /** The backend and its login seem to be of the page's own origin, as behind a load balancer. */
  rewrites: async () =>
    ["/session", "/websocket/:path*"].map((source) => ({ source, destination: process.env.BACKEND_URL + source })),
};
