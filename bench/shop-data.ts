export const CITIES = 1_000
export const PRODUCTS = 10_000

export function cityOf(customer: number): string {
  return `city ${(customer * 31) % CITIES}`
}

export function priceOf(product: number): number {
  return (product % 100) + 0.5
}

export function productOf(order: number): number {
  return (order * 13) % PRODUCTS
}
