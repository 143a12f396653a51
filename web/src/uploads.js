// Files for the variables of the type Upload, sent by the GraphQL multipart request specification.

import { Kind } from 'graphql';

let chosen = [];

export function choose(files) {
  chosen = [...files];
}

/** Returns the names of an operation's variables that are files, in their order. */
export function fileVariables(document, operationName) {
  const operation = document?.definitions.find(
    ({ kind, name }) => kind === Kind.OPERATION_DEFINITION && (!operationName || name?.value === operationName),
  );
  return (operation?.variableDefinitions ?? [])
    .filter(({ type }) => (type.kind === Kind.NON_NULL_TYPE ? type.type : type).name?.value === 'Upload')
    .map(({ variable }) => variable.name.value);
}

/** Returns the form of an operation: the chosen files are its file variables, one after another. */
export function formOf(operation, names) {
  const places = names.slice(0, chosen.length);
  const empty = Object.fromEntries(names.map((name) => [name, null]));
  const form = new FormData();
  form.append('operations', JSON.stringify({ ...operation, variables: { ...operation.variables, ...empty } }));
  form.append('map', JSON.stringify(Object.fromEntries(places.map((name, index) => [index, [`variables.${name}`]]))));
  places.forEach((_name, index) => form.append(String(index), chosen[index]));
  return form;
}
