# The service without Python and without weights: it renders with its simulator, as a staging double for applications.
# It listens on all addresses, so it starts only with a key. From the project's root:
#   docker build -f deploy/api.Dockerfile -t understudy .
#   docker run --init -e UNDERSTUDY_API_KEY=... -p 127.0.0.1:9000:9000 -v understudy:/state understudy
# Clients that use another name than localhost need UNDERSTUDY_ALLOWED_HOSTS. --init reaps ended workers.

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# The image has Node.js 24 already, so no package's install script is needed.
RUN npm ci --ignore-scripts
COPY bin ./bin
COPY scripts ./scripts
COPY src ./src
COPY tsconfig.json tsconfig.build.json README.md LICENSE ./
RUN node scripts/build.ts && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
ENV NODE_ENV=production \
    UNDERSTUDY_HOST=0.0.0.0 \
    UNDERSTUDY_PORT=9000 \
    UNDERSTUDY_STATE_DIR=/state
WORKDIR /app
COPY --from=build /build/package.json /build/README.md /build/LICENSE ./
COPY --from=build /build/bin ./bin
COPY --from=build /build/dist ./dist
COPY --from=build /build/node_modules ./node_modules
# The first command leaves its compiled code beside the program, where the service's user may not write.
RUN node bin/understudy.js --version && mkdir /state && chown node:node /state
USER node
VOLUME /state
EXPOSE 9000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.UNDERSTUDY_PORT}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "bin/understudy.js"]
CMD ["serve"]
