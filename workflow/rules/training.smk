# Splits, pretrained weights, one training job per system, protocol, seed and fold; and what is made from trained systems.


rule split:
    input:
        manifests=manifests_of,
        tables=lambda wildcards: tables_of_corpora(members(wildcards.corpus)),
    output:
        split="<results>/splits/{paper}/{corpus}/{protocol}/seed{seed}.csv",
        report="<results>/splits/{paper}/{corpus}/{protocol}/seed{seed}.json",
    log:
        "<results>/logs/split/{paper}/{corpus}/{protocol}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/split/{paper}/{corpus}/{protocol}/seed{seed}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=lambda wildcards: code(
            "split",
            *kinds_of_split(wildcards.corpus, protocol_of(wildcards)),
        ),
        protocol=lambda wildcards: json.dumps(protocol_of(wildcards).rules(), sort_keys=True),
        labels=lambda wildcards: ",".join(
            PAPERS.papers[wildcards.paper].labels_on(wildcards.corpus, wildcards.protocol)
        ),
        corpora=lambda wildcards: list(members(wildcards.corpus)),
        files=lambda wildcards: labels_of_corpora(*members(wildcards.corpus)),
        select=selection_of,
        tables=lambda wildcards: table_options(members(wildcards.corpus)),
    message:
        "Splitting {wildcards.corpus} for {wildcards.paper}: {wildcards.protocol}, seed {wildcards.seed}"
    shell:
        "serflow split --protocol {params.protocol:q} --labels {params.labels:q} --corpora {params.corpora:q}"
        " --select {params.select:q} {params.tables:q} --manifests {input.manifests:q} --seed {wildcards.seed} --output {output.split:q} --report {output.report:q}"
        " --log {log:q}"


rule weights:
    input:
        lambda wildcards: OWN_WEIGHTS.get(wildcards.weights, {}).get("pretrained", []),
    output:
        "<resources>/weights/{weights}",
    log:
        "<results>/logs/weights/{weights}.log",
    benchmark:
        "<results>/benchmarks/weights/{weights}.tsv"
    priority: 1  # a file that does not fit ends the workflow before hours of training
    localrule: True  # nodes of a cluster often have no network
    conda:
        "../../envs/serflow.yaml"
    params:
        own=lambda wildcards, input: (
            ["--file", str(input), "--model", json.dumps(OWN_WEIGHTS[wildcards.weights], sort_keys=True)]
            if input
            else []
        ),
    message:
        "Fetching pretrained weights {wildcards.weights}"
    shell:
        "serflow weights {wildcards.weights} {params.own:q} --output {output:q} --log {log:q}"


rule train:
    input:
        manifests=manifests_of,
        features=features_of,
        split="<results>/splits/{paper}/{corpus}/{protocol}/seed{seed}.csv",
        weights=ancient(weights_of),  # whose name says what they are
    output:
        multiext(
            "<results>/runs/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}/",
            model="model",
            history="history.csv",
            predictions="predictions.csv",
            run="run.json",
        ),
    log:
        "<results>/logs/train/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}.log",
    benchmark:
        "<results>/benchmarks/train/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}.tsv"
    wildcard_constraints:
        system=systems_of(combined=False),
    conda:
        "../../envs/serflow.yaml"
    threads: CONFIG.threads
    resources:
        gpu=lambda wildcards: int(system_of(wildcards).training is not None),
    params:
        code=lambda wildcards: code("train", *kinds_of_system(wildcards)),
        spec=spec_of,
        weights=lambda wildcards, input: (["--weights", input.weights] if input.weights else []),
        stores=lambda wildcards, input: [f"{folder}/features.zarr" for folder in input.features],
        output=lambda wildcards, output: str(Path(output.run).parent),
        checkpoint=lambda wildcards: f"{CONFIG.results}/checkpoints/{run_of(wildcards).path}.pt",
        device=CONFIG.device,
        precision=CONFIG.precision,
    message:
        "Training {wildcards.system} of {wildcards.paper} on {wildcards.corpus}: {wildcards.protocol}, seed {wildcards.seed}, fold {wildcards.fold}"
    shell:
        "serflow train --spec {params.spec:q} --manifests {input.manifests:q} --features {params.stores:q}"
        " --split {input.split:q} {params.weights:q} --output {params.output:q} --checkpoint {params.checkpoint:q}"
        " --device {params.device} --precision {params.precision} --threads {threads} --log {log:q}"


rule combine:
    input:
        runs=parts_of,
    output:
        multiext(
            "<results>/runs/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}/",
            history="history.csv",
            predictions="predictions.csv",
            run="run.json",
        ),
    log:
        "<results>/logs/combine/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}.log",
    benchmark:
        "<results>/benchmarks/combine/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}.tsv"
    wildcard_constraints:
        system=systems_of(combined=True),
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("combine"),
        spec=spec_of,
        runs=lambda wildcards, input: folders(input.runs),
        output=lambda wildcards, output: str(Path(output.run).parent),
    message:
        "Combining {wildcards.system} of {wildcards.paper} on {wildcards.corpus}: {wildcards.protocol}, seed {wildcards.seed}, fold {wildcards.fold}"
    shell:
        "serflow combine --spec {params.spec:q} --runs {params.runs:q} --output {params.output:q} --log {log:q}"


rule noisy:
    input:
        run="<results>/runs/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}/run.json",
        manifest="<results>/manifests/{corpus}.csv",
        tree=lambda wildcards: recordings(wildcards.corpus),
        split="<results>/splits/{paper}/{corpus}/{protocol}/seed{seed}.csv",
        noise=ancient(CONFIG.noise.source) if CONFIG.noise.source else [],
    output:
        "<results>/noise/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}.csv",
    log:
        "<results>/logs/noisy/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}.log",
    benchmark:
        "<results>/benchmarks/noisy/{paper}/{corpus}/{system}/{protocol}/seed{seed}/fold{fold}.tsv"
    conda:
        "../../envs/serflow.yaml"
    threads: CONFIG.threads
    resources:
        gpu=1,
    params:
        code=lambda wildcards: code(
            "noisy",
            *kinds_of_system(wildcards),
            *kinds_of_recipe(PAPERS.recipe_of(wildcards.paper, wildcards.system, wildcards.protocol)[1]),
        ),
        run=lambda wildcards, input: str(Path(input.run).parent),
        folder=lambda wildcards, input: (["--folder", input.noise] if input.noise else []),
        sounds=state_of_noise(),
        snrs=lambda wildcards: PAPERS.papers[wildcards.paper].noise.snr_db,
        device=CONFIG.device,
    message:
        "Recognising noisy speech with {wildcards.system} of {wildcards.paper} on {wildcards.corpus}: {wildcards.protocol}, seed {wildcards.seed}, fold {wildcards.fold}"
    shell:
        "serflow noisy --run {params.run:q} --manifest {input.manifest:q} --split {input.split:q} --root {input.tree:q}"
        " {params.folder:q} --snrs {params.snrs} --output {output:q} --device {params.device} --threads {threads} --log {log:q}"
