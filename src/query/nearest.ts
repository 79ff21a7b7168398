/**
 * The name most like a wrong one, undefined where none is much like it. By the edits between them (V. Levenshtein,
 * 1966).
 */
export function nearestName(wrong: string, names: Iterable<string>): string | undefined {
  let nearest: string | undefined
  let fewest = Math.max(2, Math.ceil(wrong.length / 3)) + 1
  for (const name of names) {
    const edits = editsBetween(wrong.toLowerCase(), name.toLowerCase())
    if (edits < fewest) {
      nearest = name
      fewest = edits
    }
  }
  return nearest
}

function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j] + 1, row[j + 1] + 1, row[j] + (a[i] === b[j] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]
}
