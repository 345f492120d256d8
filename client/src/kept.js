/** What a map has under a key, made the first time. */
export const kept = (map, key, make) => map.get(key) ?? map.set(key, make()).get(key);
