"""What PET's speed is, beside that of its peers. `make bench` runs every topic, `make bench TOPIC=rest` one of them.

A topic is a module that gives comparisons (`measuring.comparing`) to `measuring.topics.main`; it is run from the
project's folder, as `python -m benchmarks.rest` (a file `graphql.py` on the path would hide the package of that name).
Every server, PET or a peer, runs alone on one core (`measuring.servers`); the load (`measuring.load`), PostgreSQL
(`measuring.databases`) and the topic itself share the other. What is compared takes turns, and only ratios of one
round are believed. `docs/performance.md` tells what came of it. A topic looks like this:

    def reads(plan: Plan) -> Iterator[Comparison]:
        size = Network(plan.size(100_000, smoke=20))
        requests = [Request(f"/users/{user_id(number)}/profile") for number in range(min(size.profiles, 1000))]
        with ExitStack() as running:
            database = filled(running.enter_context(postgres()), "reads", size)
            servers = [running.enter_context(pet(database_url=database.url))]
            if not plan.is_smoke:  # peers may be missing there
                servers.append(running.enter_context(node_peer("fastify + pg", "rest.mjs", DATABASE_URL=database.url)))
            cases = {each.name: partial(load, each, requests, seconds=plan.seconds) for each in servers}
            goal = Goal("PET", "requests/s", to="fastify + pg", at_least=1.0)
            yield compare("One profile", cases, rounds=plan.rounds, sizes=str(size), goals=[goal])


    if __name__ == "__main__":
        main("rest", reads)
"""
