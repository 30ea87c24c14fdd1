# The service with the Python worker, for machines with an NVIDIA card and its container toolkit. PyTorch's wheel brings CUDA's
# libraries, the host brings the driver. Weights are not part of it: they lie in the volume /models. From the project's root:
#   docker build -f deploy/worker.Dockerfile -t understudy-worker .
#   docker run --init --gpus all -e UNDERSTUDY_API_KEY=... -p 127.0.0.1:9000:9000 -v understudy:/state -v models:/models understudy-worker
# What is here and what is missing: docker run --rm --gpus all understudy-worker doctor

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY bin ./bin
COPY scripts ./scripts
COPY src ./src
COPY tsconfig.json tsconfig.build.json README.md LICENSE ./
RUN node scripts/build.ts && npm prune --omit=dev --ignore-scripts

FROM python:3.12-slim
ENV NODE_ENV=production \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    HF_HOME=/models \
    UNDERSTUDY_HOST=0.0.0.0 \
    UNDERSTUDY_PORT=9000 \
    UNDERSTUDY_STATE_DIR=/state \
    UNDERSTUDY_RENDERER_KIND=diffusers
WORKDIR /app
COPY worker/requirements.txt ./worker/requirements.txt
# The interpreter that the service takes without --python.
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --disable-pip-version-check -r worker/requirements.txt
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY worker/understudy_worker ./worker/understudy_worker
COPY --from=build /build/package.json /build/README.md /build/LICENSE ./
COPY --from=build /build/bin ./bin
COPY --from=build /build/dist ./dist
COPY --from=build /build/node_modules ./node_modules
# The first command leaves its compiled code beside the program, where the service's user may not write.
RUN node bin/understudy.js --version && useradd --create-home --uid 1000 understudy && mkdir /state /models && chown understudy:understudy /state /models
USER understudy
VOLUME ["/state", "/models"]
EXPOSE 9000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.UNDERSTUDY_PORT}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "bin/understudy.js"]
CMD ["serve"]
