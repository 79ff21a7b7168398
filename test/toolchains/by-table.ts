import { integer, number, ref, table, text, timestamp } from 'snapheap'

export const Customer = table('customer', { id: integer().key(), name: text() })
export const Quote = table('quote', {
  id: integer().key(),
  amount: number(),
  made: timestamp(),
  note: text().nullable(),
  customer: ref(() => Customer),
})
