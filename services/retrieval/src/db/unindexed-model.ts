/**
 * That a row of `chunk_vector` is of a model, said so that no index takes it. Rows that are looked up by their chunk are to be found by the
 * key: of a model that is new to the statistics the planner believes that there is hardly a row, and would rather read "all few" of them,
 * once for each chunk.
 */
export function unindexedModelSql(row: string, model: string): string {
  return `${row}.model_id || '' = ${model}`;
}
