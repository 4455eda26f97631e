"""The module's functions, as `dagger call` offers them.

The docstrings and `Doc` texts here are the help that `dagger call --help` prints.

All functions have the cache policy "session": within one call nothing runs twice, and
no later call is answered from it. No argument may have the name of an option of the CLI
itself (`--workdir`, `--progress`, …), which would take it.
"""

import json
from typing import Annotated

import dagger
from aideator_module import pipeline
from aideator_module.pipeline import IMAGE, PLATFORM_FILES, Mounts, Toolbox
from dagger import DefaultPath, Doc, Ignore, dag, function, object_type

Platform = Annotated[
    dagger.Directory,
    DefaultPath("src/aideator"),
    Ignore(PLATFORM_FILES),
    Doc("Python package `aideator`; default: that of the module's own checkout"),
]
Source = Annotated[dagger.Directory, Doc("Directory of the repository")]
Image = Annotated[str, Doc("Container image with Python 3.11 or later")]
RunId = Annotated[
    str,
    Doc("New UUID for each call; with an old one an earlier result may be replayed"),
]
CacheVolume = Annotated[
    str, Doc("Name of a cache volume for downloads of tools; agents cannot see it")
]
Directory = Annotated[str, Doc("Directory of the repository in the container")]
RepoUrl = Annotated[str, Doc("HTTPS URL of a git repository")]
Prompt = Annotated[str, Doc("Task for the agent")]
PromptFile = Annotated[
    dagger.File | None, Doc("File with the prompt, which keeps it off the command line")
]
VariationId = Annotated[str, Doc("Number of the variation, from 1")]
Key = Annotated[
    dagger.Secret, Doc("API key of the provider, by reference: env:ANTHROPIC_API_KEY")
]
AgentConfig = Annotated[
    str, Doc("JSON object with model, max_turns, effort, temperature, instructions")
]
Events = Annotated[
    dagger.Socket | None,
    Doc("Socket that receives each message at once: unix:///path/of/a/socket"),
]
Ref = Annotated[str, Doc("Branch, tag or commit; default: the default branch")]
BaseUrl = Annotated[str, Doc("Endpoint of the Messages API")]
Seconds = Annotated[int, Doc("Time limit in seconds (wall clock)")]
MODEL_URL = "https://api.anthropic.com"


@object_type
class Aideator:
    """Run coding agents and checks in containers, on copies of a repository."""

    @function(cache="session")
    def sandbox(
        self,
        source: Source,
        host: Annotated[
            dagger.Socket, Doc("Socket of the server: unix:///path/of/a/socket")
        ],
        launcher_config: Annotated[
            str, Doc("JSON object for the launcher: paths and limits")
        ],
        run_id: RunId,
        platform: Platform,
        image: Image = IMAGE,
        cache_volume: CacheVolume = "",
        changes: Annotated[
            list[dagger.File] | None, Doc("Changes to apply to the source, in order")
        ] = None,
        directories: Annotated[
            list[dagger.Directory] | None, Doc("Further directories to mount read-only")
        ] = None,
        files: Annotated[
            list[dagger.File] | None, Doc("Further files to mount read-only")
        ] = None,
    ) -> dagger.Container:
        """Open a sandbox for an AIdeator server.

        Its stdout is the final record, printed when the server closes the sandbox.
        """
        config = json.loads(launcher_config)
        mounts = Mounts(changes or (), directories or (), files or ())
        toolbox = Toolbox(image, platform, cache_volume)
        return pipeline.sandbox(dag, toolbox, source, host, config, run_id, mounts)

    @function(cache="session")
    async def stream_agent(
        self,
        repo_url: RepoUrl,
        variation_id: VariationId,
        anthropic_api_key: Key,
        platform: Platform,
        prompt: Prompt = "",
        run_id: RunId = "",
        agent_config: AgentConfig = "{}",
        events: Events = None,
        prompt_file: PromptFile = None,
        ref: Ref = "",
        base_url: BaseUrl = MODEL_URL,
        image: Image = IMAGE,
        cache_volume: CacheVolume = "",
        directory: Directory = "/workspace",
        seconds: Seconds = 1800,
    ) -> dagger.Container:
        """Run the built-in agent on a repository, without an AIdeator server.

        The result is the `stdout` of the container: see `run-agent`.
        """
        text = await prompt_file.contents() if prompt_file else prompt
        task = pipeline.agent_task(
            text, agent_config, run_id, variation_id, base_url, seconds
        )
        repository = dag.git(repo_url)
        source = (repository.ref(ref) if ref else repository.head()).tree()
        toolbox = Toolbox(image, platform, cache_volume)
        return pipeline.agent(
            dag,
            toolbox,
            source,
            task,
            anthropic_api_key,
            events=events,
            workdir=directory,
        )

    @function(cache="session")
    async def run_agent(
        self,
        repo_url: RepoUrl,
        variation_id: VariationId,
        anthropic_api_key: Key,
        platform: Platform,
        prompt: Prompt = "",
        run_id: RunId = "",
        agent_config: AgentConfig = "{}",
        events: Events = None,
        prompt_file: PromptFile = None,
        ref: Ref = "",
        base_url: BaseUrl = MODEL_URL,
        image: Image = IMAGE,
        cache_volume: CacheVolume = "",
        directory: Directory = "/workspace",
        seconds: Seconds = 1800,
    ) -> str:
        """Run the built-in agent on a repository, and return its result as JSON.

        The object has exit_code, stop_reason, message, patch, stats, and what the
        container could reach.
        """
        container = await self.stream_agent(
            repo_url=repo_url,
            variation_id=variation_id,
            anthropic_api_key=anthropic_api_key,
            platform=platform,
            prompt=prompt,
            run_id=run_id,
            agent_config=agent_config,
            events=events,
            prompt_file=prompt_file,
            ref=ref,
            base_url=base_url,
            image=image,
            cache_volume=cache_volume,
            directory=directory,
            seconds=seconds,
        )
        return await container.stdout()

    @function(cache="session")
    async def run_check(
        self,
        source: Source,
        command: Annotated[str, Doc("Shell command, such as `python -m pytest -q`")],
        platform: Platform,
        patch: Annotated[
            dagger.File | None,
            Doc("Patch to apply first, as `git diff --binary` writes it"),
        ] = None,
        run_id: RunId = "",
        image: Image = IMAGE,
        cache_volume: CacheVolume = "",
        directory: Directory = "/workspace",
        seconds: Seconds = 600,
    ) -> str:
        """Run a command on a repository with a patch, and return its result as JSON.

        The object has exit_code, output, seconds, and what the container could reach.
        """
        task = pipeline.check_task(command, run_id, seconds, patched=patch is not None)
        container = pipeline.check(
            dag,
            Toolbox(image, platform, cache_volume),
            source,
            patch,
            task,
            workdir=directory,
        )
        return await container.stdout()

    @function(cache="session")
    def image(
        self, platform: Platform, image: Image = IMAGE, cache_volume: CacheVolume = ""
    ) -> dagger.Container:
        """Build the image with git and the agent's packages.

        Publish it for engines that cannot reach a package index.
        """
        return pipeline.toolbox(dag, Toolbox(image, platform, cache_volume))
