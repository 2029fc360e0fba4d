// Carries calls of the clients for Node.js out: one JSON document a line in, one a line out.
//   {"call": ["transmissions", "send"], "args": [...], "options": {...}}   a method of the SparkPost client
//   {"mail": {...}, "door": {...}}                                         a message by nodemailer
//   {"mails": [...], "door": {...}}                                        several by one transport
//   {"methods": true}                                                      which methods the client has
'use strict';

const readline = require('readline');
const nodemailer = require('nodemailer');
const SparkPost = require('sparkpost');

function told(error) {
  return {
    name: error.name,
    message: error.message,
    statusCode: error.statusCode,
    errors: error.errors,
    code: error.code,
    responseCode: error.responseCode
  };
}

function called(asked) {
  const client = new SparkPost(asked.key, asked.options);
  const [resource, method] = asked.call;
  if (!asked.callback) {
    return client[resource][method](...asked.args);
  }
  return new Promise((resolve, reject) => {
    client[resource][method](...asked.args, (error, result) => error ? reject(error) : resolve(result));
  });
}

async function carriedOut(asked) {
  if (asked.mail) {
    const { messageId, accepted, rejected, response } = await nodemailer.createTransport(asked.door).sendMail(asked.mail);
    return { messageId, accepted, rejected, response };
  }
  if (asked.mails) {
    const transport = nodemailer.createTransport(asked.door);
    const sent = await Promise.all(asked.mails.map((mail) => transport.sendMail(mail)));
    transport.close();
    return sent.map(({ accepted, response }) => ({ accepted, response }));
  }
  if (asked.methods) {
    const client = new SparkPost('x');
    const resources = Object.keys(client).filter((name) => client[name] && typeof client[name] === 'object' && name !== 'defaultHeaders');
    return Object.fromEntries(resources.map((name) => [name, Object.keys(client[name])]));
  }
  return called(asked);
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  let said;
  try {
    const result = await carriedOut(JSON.parse(line));
    said = { ok: result === undefined ? null : result };
  } catch (error) {
    said = { error: told(error) };
  }
  process.stdout.write(JSON.stringify(said) + '\n');
});
