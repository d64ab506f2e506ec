import { sameFigures } from './claims.ts';
import { contradicts, countNegations, readPolarities } from './negation.ts';
import { saysOpposite } from './opposites.ts';

/** Whether two texts that are nearly alike have the same numbers, dates and negations, and no word of one is turned in the other. */
export function sameClaims(a: string, b: string): boolean {
  return (
    sameFigures(a, b) &&
    countNegations(a) === countNegations(b) &&
    !contradicts(readPolarities(a), readPolarities(b)) &&
    !saysOpposite(a, b) &&
    !saysOpposite(b, a)
  );
}
