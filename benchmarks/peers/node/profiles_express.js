// One profile over REST, by express and pg.

import express from "express";
import { profileOf } from "./profiles.js";

const app = express();

app.get("/users/:id/profile", async (request, response) => {
  const data = await profileOf(request.params.id);
  if (data) {
    response.json({ success: true, data });
  } else {
    response.status(404).json({ success: false, error: "User not found" });
  }
});

app.listen(Number(process.env.PORT), "127.0.0.1");
