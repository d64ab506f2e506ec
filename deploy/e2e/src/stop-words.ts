/**
 * English words of four letters or more that say nothing of anybody: the function words of the stop list that the Snowball
 * project publishes for its English stemmer. A document shares them with every text, and so are they not looked for.
 */
export const englishStopWords: ReadonlySet<string> = new Set(
  [
    'about above after again against another been before being below between both cannot could does doing down during each',
    'from further have having here hers herself himself into itself more most myself once only other ought ours ourselves',
    'over same shall should some such than that their theirs them themselves then there these they this those through under',
    'until very were what when where which while whom will with would your yours yourself yourselves',
    // Words of SQL and of the queue's own tables, which the database says when it likes: statistics, merges, clean-ups.
    'events event last first next limit order values exists update select rows left right join case null true false text date time',
    'interval type level state done count part parts range start index table plan check',
  ].flatMap((line) => line.split(' ')),
);
