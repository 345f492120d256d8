/** The backend and its login seem to be of the page's own origin, as behind a load balancer. */
export default {
  reactStrictMode: true,
  rewrites: async () =>
    ["/session", "/websocket/:path*"].map((source) => ({ source, destination: process.env.BACKEND_URL + source })),
};
