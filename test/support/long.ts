/** `npm run test:long` runs more rounds and every variant; `npm test` is to take less than a quarter of an hour. */
export const IS_LONG = process.env.SNAPHEAP_LONG === '1'
